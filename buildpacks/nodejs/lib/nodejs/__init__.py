"""The Node.js buildpack: Node.js, the packages that the app locks, its build scripts, and how it is started."""
