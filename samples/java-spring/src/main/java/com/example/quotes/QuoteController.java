package com.example.quotes;

import java.net.URI;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;

@RestController
class QuoteController {

    private static final Logger LOG = LoggerFactory.getLogger(QuoteController.class);

    private final QuoteBook book;

    QuoteController(QuoteBook book) {
        this.book = book;
    }

    @GetMapping("/health")
    Map<String, String> health() {
        return Map.of("status", "ok");
    }

    @GetMapping("/quotes")
    List<Quote> list(@RequestParam(defaultValue = "") String author) {
        return book.by(author);
    }

    @GetMapping("/quotes/{id}")
    ResponseEntity<Quote> one(@PathVariable long id) {
        return ResponseEntity.of(book.find(id));
    }

    @PostMapping("/quotes")
    ResponseEntity<Quote> add(@RequestParam String author, @RequestParam String text) {
        Quote quote = book.add(Quote.of(author, text));
        LOG.info("{} was quoted", quote.author());
        return ResponseEntity.created(URI.create("/quotes/" + quote.id())).body(quote);
    }

    @ExceptionHandler(IllegalArgumentException.class)
    ResponseEntity<Map<String, String>> refuse(IllegalArgumentException refused) {
        return ResponseEntity.unprocessableEntity().body(Map.of("error", refused.getMessage()));
    }
}
