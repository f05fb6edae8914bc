<?php

namespace App;

use App\Message\NoteAdded;
use Doctrine\DBAL\Connection;
use Doctrine\DBAL\DriverManager;
use Symfony\Bundle\FrameworkBundle\FrameworkBundle;
use Symfony\Bundle\FrameworkBundle\Kernel\MicroKernelTrait;
use Symfony\Component\DependencyInjection\Loader\Configurator\ContainerConfigurator;
use Symfony\Component\HttpKernel\Kernel as BaseKernel;
use Symfony\Component\Messenger\Bridge\Doctrine\Transport\DoctrineTransportFactory;
use Symfony\Component\Routing\Loader\Configurator\RoutingConfigurator;

use function Symfony\Component\DependencyInjection\Loader\Configurator\service;

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
        $container->extension('framework', ['messenger' => [
            'transports' => ['async' => 'doctrine://default'],
            'routing' => [NoteAdded::class => 'async'],
        ]]);
        $services = $container->services()->defaults()->autowire()->autoconfigure();
        $services->load('App\\', __DIR__)->exclude(__DIR__ . '/{Kernel.php,Message}');
        $services->set(Connection::class)
            ->factory([DriverManager::class, 'getConnection'])
            ->args([['url' => '%env(DATABASE_URL)%']]);
        // What DoctrineBundle does for those who have it.
        $services->set(DoctrineTransportFactory::class)
            ->args([service(Connections::class)])
            ->tag('messenger.transport_factory');
    }

    protected function configureRoutes(RoutingConfigurator $routes): void
    {
        $routes->add('health', '/health')->controller([Controller\Notes::class, 'health']);
        $routes->add('notes', '/notes')->controller([Controller\Notes::class, 'all'])->methods(['GET']);
        $routes->add('note', '/notes/{id<\d+>}')->controller([Controller\Notes::class, 'one']);
        $routes->add('add', '/notes')->controller([Controller\Notes::class, 'add'])->methods(['POST']);
    }
}
