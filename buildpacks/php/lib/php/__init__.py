"""The PHP buildpack: PHP and its extensions, Composer packages, nginx and php-fpm under one supervisor."""
