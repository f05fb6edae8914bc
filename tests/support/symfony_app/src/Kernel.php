<?php

namespace App;

use Doctrine\DBAL\Connection;
use Doctrine\DBAL\DriverManager;
use Symfony\Bundle\FrameworkBundle\FrameworkBundle;
use Symfony\Bundle\FrameworkBundle\Kernel\MicroKernelTrait;
use Symfony\Component\DependencyInjection\Loader\Configurator\ContainerConfigurator;
use Symfony\Component\HttpKernel\Kernel as BaseKernel;
use Symfony\Component\Routing\Loader\Configurator\RoutingConfigurator;

class Kernel extends BaseKernel
{
    use MicroKernelTrait;

    public function registerBundles(): iterable
    {
        yield new FrameworkBundle();
    }

    protected function configureContainer(ContainerConfigurator $container): void
    {
        $container->parameters()->set('env(APP_SECRET)', 'of the tests');
        $container->extension('framework', ['secret' => '%env(APP_SECRET)%', 'http_method_override' => false]);
        $services = $container->services()->defaults()->autowire()->autoconfigure();
        $services->load('App\\', __DIR__)->exclude(__DIR__ . '/Kernel.php');
        $services->set(Connection::class)
            ->factory([DriverManager::class, 'getConnection'])
            ->args([['url' => '%env(DATABASE_URL)%']]);
    }

    protected function configureRoutes(RoutingConfigurator $routes): void
    {
        $routes->add('health', '/health')->controller([Controller\Notes::class, 'health']);
        $routes->add('notes', '/notes')->controller([Controller\Notes::class, 'all'])->methods(['GET']);
        $routes->add('note', '/notes/{id<\d+>}')->controller([Controller\Notes::class, 'one']);
        $routes->add('add', '/notes')->controller([Controller\Notes::class, 'add'])->methods(['POST']);
    }
}
