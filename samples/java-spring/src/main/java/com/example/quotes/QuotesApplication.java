package com.example.quotes;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;

@SpringBootApplication
public class QuotesApplication {

    public static void main(String[] args) {
        SpringApplication.run(QuotesApplication.class, args);
    }

    @Bean
    QuoteBook quoteBook() {
        QuoteBook book = new QuoteBook();
        book.add("Ada Lovelace", "The science of operations is a science of itself.");
        book.add("Grace Hopper", "A ship in port is safe, but that is not what ships are built for.");
        return book;
    }
}
