package com.example.quotes;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;

/** Quotes in the order in which they were added, in memory. */
public class QuoteBook {

    private static final int LONGEST = 500;

    private final List<Quote> quotes = new CopyOnWriteArrayList<>();
    private final AtomicLong ids = new AtomicLong();

    public Quote add(String author, String text) {
        if (author == null || author.isBlank() || text == null || text.isBlank()) {
            throw new IllegalArgumentException("a quote has an author and a text");
        }
        if (text.length() > LONGEST) {
            throw new IllegalArgumentException("a quote has at most " + LONGEST + " characters");
        }
        Quote quote = new Quote(ids.incrementAndGet(), author.strip(), text.strip());
        quotes.add(quote);
        return quote;
    }

    public Optional<Quote> find(long id) {
        return quotes.stream().filter(quote -> quote.id() == id).findFirst();
    }

    public List<Quote> by(String author) {
        return quotes.stream().filter(quote -> author.isEmpty() || quote.author().equalsIgnoreCase(author)).toList();
    }
}
