package com.example.quotes;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class QuoteBookTest {

    private final QuoteBook book = new QuoteBook();

    @Test
    void quotesAreFoundByIdAndAuthor() {
        Quote first = book.add("Ada", "one");
        Quote second = book.add("Grace", " two ");

        assertEquals(List.of(first), book.by("ada"));
        assertEquals("two", book.find(second.id()).orElseThrow().text());
        assertTrue(book.find(99).isEmpty());
    }

    @Test
    void whatIsNoQuoteIsRefused() {
        assertThrows(IllegalArgumentException.class, () -> book.add("Ada", " "));
        assertThrows(IllegalArgumentException.class, () -> book.add(null, "text"));
        assertThrows(IllegalArgumentException.class, () -> book.add("Ada", "x".repeat(501)));
    }
}
