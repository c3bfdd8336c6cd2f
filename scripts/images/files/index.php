<?php
// The guestbook: messages are written to one Redis and read from its copies, redis-master and redis-slave by default. Works without JavaScript.
declare(strict_types=1);
require __DIR__ . '/redis.php';

const MESSAGES = 'messages';
const LONGEST = 500;
define('WRITES_TO', getenv('GUESTBOOK_WRITES_TO') ?: 'redis-master');
define('READS_FROM', getenv('GUESTBOOK_READS_FROM') ?: 'redis-slave');

if (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH) === '/healthz') {
    header('Content-Type: text/plain');
    exit("ok\n");
}

$problem = '';
$messages = [];
try {
    if ($_SERVER['REQUEST_METHOD'] === 'POST') {
        $message = trim(substr((string) ($_POST['message'] ?? ''), 0, LONGEST));
        if ($message !== '') {
            redis(WRITES_TO, 'RPUSH', MESSAGES, $message);
            usleep(50_000); // so that the replicas have it when the page is read again
        }
        header('Location: /', true, 303);
        exit;
    }
    $messages = array_reverse(redis(READS_FROM, 'LRANGE', MESSAGES, '-100', '-1'));
} catch (StoreAway $away) {
    http_response_code(503);
    $problem = $away->getMessage();
}

function shown(string $text): string
{
    return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE);
}
?>
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Guestbook</title>
<style>
:root { color-scheme: light dark; --line: #8884; --accent: #2563eb; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 34rem; margin: 3rem auto; padding: 0 1rem; }
form { display: flex; gap: .5rem; }
input { flex: 1; min-width: 0; }
input, button { font: inherit; padding: .5rem .75rem; border: 1px solid var(--line); border-radius: .5rem; }
button { background: var(--accent); color: #fff; cursor: pointer; }
ul { list-style: none; padding: 0; }
li { padding: .6rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
.problem { border-left: 4px solid #dc2626; padding: .5rem 1rem; }
footer { margin-top: 2rem; opacity: .65; font-size: .85rem; }
</style>
</head>
<body>
<h1>Guestbook</h1>
<form method="post" action="/">
<input name="message" maxlength="<?= LONGEST ?>" placeholder="Leave a message" aria-label="Message" required autofocus>
<button>Submit</button>
</form>
<?php if ($problem !== '') { ?>
<p class="problem" role="alert">The messages cannot be reached now: <?= shown($problem) ?>.</p>
<?php } elseif ($messages === []) { ?>
<p>No messages yet. Yours can be the first.</p>
<?php } ?>
<ul>
<?php foreach ($messages as $message) { ?>
<li><?= shown((string) $message) ?></li>
<?php } ?>
</ul>
<footer>Served by <?= shown(gethostname() ?: 'a pod') ?></footer>
</body>
</html>
