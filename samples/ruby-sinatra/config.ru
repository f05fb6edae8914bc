require_relative "app"

run Numerals
