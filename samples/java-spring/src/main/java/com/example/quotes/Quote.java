package com.example.quotes;

/** Something that somebody said. */
public record Quote(long id, String author, String text) {
}
