<?php

namespace App\Console\Commands;

use App\Models\Entry;
use Illuminate\Console\Command;
use Illuminate\Support\Facades\DB;

class CountEntries extends Command
{
    protected $signature = 'entries:count';

    protected $description = 'Note how many entries the book has';

    public function handle(): int
    {
        DB::table('counts')->insert(['entries' => Entry::count()]);

        return self::SUCCESS;
    }
}
