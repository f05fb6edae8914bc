<?php

namespace App\Http\Controllers;

use App\Jobs\CountWords;
use App\Models\Entry;
use Illuminate\Http\Request;
use Illuminate\Foundation\Validation\ValidatesRequests;
use Illuminate\Routing\Controller;
use Illuminate\Support\Facades\DB;

class EntryController extends Controller
{
    use ValidatesRequests;

    public function index()
    {
        return view('entries', ['entries' => Entry::latest('id')->get()]);
    }

    public function store(Request $request)
    {
        $entry = Entry::create($this->validate($request, ['name' => 'required|max:80', 'message' => 'required']));
        CountWords::dispatch($entry);

        return redirect()->route('entries.index')->with('status', "Thank you, {$entry->name}");
    }

    public function show(Entry $entry)
    {
        return response()->json($entry->only('id', 'name', 'message', 'words'));
    }

    public function counts()
    {
        return DB::table('counts')->latest('id')->limit(1)->pluck('entries');
    }
}
