<?php

namespace App\Message;

class NoteAdded
{
    public function __construct(public int $id)
    {
    }
}
