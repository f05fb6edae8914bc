create table if not exists quotes (
    id bigserial primary key,
    author text not null,
    text text not null
);
