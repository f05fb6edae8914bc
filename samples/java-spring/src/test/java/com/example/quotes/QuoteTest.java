package com.example.quotes;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class QuoteTest {

    @Test
    void blanksAroundAQuoteAreLeftOut() {
        assertEquals(new Quote(0, "Grace", "two"), Quote.of(" Grace", " two "));
    }

    @Test
    void whatIsNoQuoteIsRefused() {
        assertThrows(IllegalArgumentException.class, () -> Quote.of("Ada", " "));
        assertThrows(IllegalArgumentException.class, () -> Quote.of(null, "text"));
        assertThrows(IllegalArgumentException.class, () -> Quote.of("Ada", "x".repeat(501)));
    }
}
