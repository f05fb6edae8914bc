//= link_directory ../stylesheets .css
//= link_tree ../builds .js
