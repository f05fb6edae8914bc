@extends('layout')
@section('title', 'Guestbook')
@section('content')
<h1>Guestbook</h1>
<form method="post" action="{{ route('entries.store', [], false) }}">
@csrf
<input name="name" value="{{ old('name') }}"><textarea name="message">{{ old('message') }}</textarea>
@error('message')<p class="error">{{ $message }}</p>@enderror
<button>Sign</button>
</form>
@foreach ($entries as $entry)
<article><b>{{ $entry->name }}</b>: {{ $entry->message }}</article>
@endforeach
@endsection
