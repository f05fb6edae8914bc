<?php

use App\Http\Controllers\EntryController;
use Illuminate\Support\Facades\Route;

Route::get('/', [EntryController::class, 'index'])->name('entries.index');
Route::post('/entries', [EntryController::class, 'store'])->name('entries.store');
Route::get('/entries/{entry}', [EntryController::class, 'show'])->name('entries.show');
Route::view('/about', 'about')->name('about');
Route::get('/counts', function () {
    return app(EntryController::class)->counts();
})->name('counts');
