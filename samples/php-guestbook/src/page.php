<?php

declare(strict_types=1);

/** @var list<array{name: string, message: string, written: string}> $entries */
/** @var string $problem */
$text = static fn (string $value): string => htmlspecialchars($value, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
?>
<!doctype html>
<html lang="en">
<head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Guestbook</title>
    <link rel="stylesheet" href="/css/site.css">
</head>
<body>
<main>
    <h1>Guestbook</h1>
    <form method="post" action="/">
        <label>Your name <input name="name" maxlength="60" required></label>
        <label>Message <textarea name="message" maxlength="500" rows="3" required></textarea></label>
        <?php if ($problem !== ''): ?><p class="problem" role="alert"><?= $text($problem) ?></p><?php endif ?>
        <button>Sign the book</button>
    </form>
    <?php if ($entries === []): ?>
        <p class="empty">Nobody has written yet. Be the first!</p>
    <?php endif ?>
    <?php foreach ($entries as $entry): ?>
        <article>
            <p><?= nl2br($text($entry['message'])) ?></p>
            <footer><?= $text($entry['name']) ?> · <time><?= $text($entry['written']) ?></time></footer>
        </article>
    <?php endforeach ?>
</main>
</body>
</html>
