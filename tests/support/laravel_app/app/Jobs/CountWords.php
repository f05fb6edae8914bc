<?php

namespace App\Jobs;

use Acme\Words;
use App\Models\Entry;
use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Foundation\Bus\Dispatchable;
use Illuminate\Queue\InteractsWithQueue;
use Illuminate\Queue\SerializesModels;

class CountWords implements ShouldQueue
{
    use Dispatchable, InteractsWithQueue, Queueable, SerializesModels;

    public function __construct(public Entry $entry)
    {
    }

    public function handle(): void
    {
        $this->entry->update(['words' => Words::count($this->entry->message)]);
    }
}
