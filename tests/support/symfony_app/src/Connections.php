<?php

namespace App;

use Doctrine\DBAL\Connection;
use Doctrine\Persistence\ConnectionRegistry;

class Connections implements ConnectionRegistry
{
    public function __construct(private Connection $connection)
    {
    }

    public function getDefaultConnectionName()
    {
        return 'default';
    }

    public function getConnection($name = null)
    {
        return $this->connection;
    }

    public function getConnections()
    {
        return ['default' => $this->connection];
    }

    public function getConnectionNames()
    {
        return ['default' => Connection::class];
    }
}
