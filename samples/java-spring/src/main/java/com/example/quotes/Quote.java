package com.example.quotes;

/** Something that somebody said. */
public record Quote(long id, String author, String text) {

    private static final int LONGEST = 500;

    /** A quote that is stored nowhere yet. Throws for what is none. */
    public static Quote of(String author, String text) {
        if (author == null || author.isBlank() || text == null || text.isBlank()) {
            throw new IllegalArgumentException("a quote has an author and a text");
        }
        if (text.length() > LONGEST) {
            throw new IllegalArgumentException("a quote has at most " + LONGEST + " characters");
        }
        return new Quote(0, author.strip(), text.strip());
    }
}
