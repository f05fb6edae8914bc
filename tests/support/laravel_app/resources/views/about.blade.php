@extends('layout')
@section('title', 'About')
@section('content')
<p>Laravel {{ app()->version() }} with words {{ Acme\Words::VERSION }} for {{ app()->environment() }}; debug: {{ var_export(config('app.debug'), true) }};
routes cached: {{ var_export(app()->routesAreCached(), true) }}; storage: {{ storage_path() }};
views: {{ config('view.compiled') }}</p>
@endsection
