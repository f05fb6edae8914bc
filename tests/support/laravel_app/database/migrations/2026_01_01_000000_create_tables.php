<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\Schema;

return new class extends Migration
{
    public function up()
    {
        Schema::create('entries', function (Blueprint $table) {
            $table->id();
            $table->string('name', 80);
            $table->text('message');
            $table->unsignedInteger('words')->nullable();
            $table->timestamps();
        });
        Schema::create('jobs', function (Blueprint $table) {
            $table->bigIncrements('id');
            $table->string('queue')->index();
            $table->longText('payload');
            $table->unsignedTinyInteger('attempts');
            $table->unsignedInteger('reserved_at')->nullable();
            $table->unsignedInteger('available_at');
            $table->unsignedInteger('created_at');
        });
        Schema::create('counts', function (Blueprint $table) {
            $table->id();
            $table->unsignedInteger('entries');
        });
    }

    public function down()
    {
        Schema::dropIfExists('counts');
        Schema::dropIfExists('jobs');
        Schema::dropIfExists('entries');
    }
};
