"""Where an agent looks for a server, and what it remembers of them."""

from pathlib import Path

from node_agent.servers import Servers

FIRST, A, B = "https://balancer:8443", "https://192.0.2.1:8443", "https://192.0.2.2:8443"
PLACES = ["192.0.2.1:8443", "192.0.2.2:8443"]


def turns(servers: Servers, count: int) -> list[str]:
    found = []
    for _ in range(count):
        found.append(servers.current)
        servers.next()
    return found


def test_the_first_is_asked_first_then_the_others_in_turn() -> None:
    servers = Servers(FIRST)
    assert turns(servers, 2) == [FIRST, FIRST]
    servers.told(PLACES)
    assert turns(servers, 4) == [FIRST, A, B, FIRST]


def test_a_first_that_is_one_of_the_others_is_asked_once_a_round() -> None:
    servers = Servers(B)
    servers.told(PLACES)
    assert turns(servers, 3) == [B, A, B]


def test_news_of_others_change_nothing_about_the_one_that_is_asked_now() -> None:
    servers = Servers(FIRST)
    servers.told(PLACES)
    turns(servers, 2)
    assert servers.current == B
    servers.told(PLACES[1:])
    assert servers.current == B
    servers.told(PLACES[:1])
    assert servers.current == FIRST, "the one it asked is no more"


def test_an_agent_that_is_started_again_knows_them_still(tmp_path: Path) -> None:
    file = tmp_path / "servers"
    Servers(FIRST, file).told(PLACES)
    assert turns(Servers(FIRST, file), 3) == [FIRST, A, B]
    file.write_text("spoilt")
    assert turns(Servers(FIRST, file), 2) == [FIRST, FIRST]
