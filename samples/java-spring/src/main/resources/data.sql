insert into quotes (author, text)
select * from (values
    ('Ada Lovelace', 'The science of operations is a science of itself.'),
    ('Grace Hopper', 'A ship in port is safe, but that is not what ships are built for.')
) as first
where not exists (select from quotes);
