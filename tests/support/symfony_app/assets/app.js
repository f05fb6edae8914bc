import { greeting } from "./greeting";

document.title = greeting("Symfony");
