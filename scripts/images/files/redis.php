<?php
// The few commands the guestbook needs, in Redis' own protocol over a plain socket.
declare(strict_types=1);

final class StoreAway extends Exception {}

/** The address of a service: from its variables, or its name where the pod asks for DNS. */
function service(string $name): string
{
    $variable = strtoupper(str_replace('-', '_', $name)) . '_SERVICE_';
    $host = getenv($variable . 'HOST');
    if ($host === false || getenv('GET_HOSTS_FROM') === 'dns') {
        $host = $name;
    }
    return $host . ':' . (getenv($variable . 'PORT') ?: '6379');
}

/** One command to one server, and its answer. */
function redis(string $name, string ...$words): mixed
{
    $socket = @stream_socket_client('tcp://' . service($name), $code, $why, 2);
    if ($socket === false) {
        throw new StoreAway("$name does not answer ($why)");
    }
    stream_set_timeout($socket, 2);
    $request = '*' . count($words) . "\r\n";
    foreach ($words as $word) {
        $request .= '$' . strlen($word) . "\r\n$word\r\n";
    }
    fwrite($socket, $request);
    try {
        return answer($name, $socket);
    } finally {
        fclose($socket);
    }
}

/** @param resource $socket */
function answer(string $name, $socket): mixed
{
    $line = fgets($socket);
    if ($line === false) {
        throw new StoreAway("$name ended the connection");
    }
    $rest = rtrim(substr($line, 1));
    switch ($line[0]) {
        case '-':
            throw new StoreAway("$name refused: $rest");
        case ':':
            return (int) $rest;
        case '$':
            return $rest === '-1' ? null : substr((string) stream_get_contents($socket, (int) $rest + 2), 0, -2);
        case '*':
            $items = [];
            for ($count = (int) $rest; $count > 0; $count--) {
                $items[] = answer($name, $socket);
            }
            return $items;
        default:
            return $rest;
    }
}
