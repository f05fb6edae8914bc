<?php

namespace App\Command;

use Doctrine\DBAL\Connection;
use Symfony\Component\Console\Command\Command;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Output\OutputInterface;

class Install extends Command
{
    protected static $defaultName = 'app:install';

    public function __construct(private Connection $connection)
    {
        parent::__construct();
    }

    protected function execute(InputInterface $input, OutputInterface $output): int
    {
        $this->connection->executeStatement('CREATE TABLE notes (id SERIAL PRIMARY KEY, text TEXT NOT NULL, words INT)');
        $output->writeln('The table of notes is made');

        return Command::SUCCESS;
    }
}
