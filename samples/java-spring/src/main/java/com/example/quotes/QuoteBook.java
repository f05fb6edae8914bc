package com.example.quotes;

import java.util.List;
import java.util.Optional;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.stereotype.Repository;

/** Quotes in the order in which they were added, in a database. */
@Repository
class QuoteBook {

    private final JdbcClient database;

    QuoteBook(JdbcClient database) {
        this.database = database;
    }

    Quote add(Quote quote) {
        return database.sql("insert into quotes (author, text) values (?, ?) returning id, author, text")
                .params(quote.author(), quote.text())
                .query(Quote.class)
                .single();
    }

    Optional<Quote> find(long id) {
        return database.sql("select id, author, text from quotes where id = ?").param(id).query(Quote.class).optional();
    }

    List<Quote> by(String author) {
        return database.sql("select id, author, text from quotes where ? in ('', lower(author)) order by id")
                .param(author.toLowerCase())
                .query(Quote.class)
                .list();
    }
}
