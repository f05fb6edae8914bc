# Reads and writes Roman numerals from I to MMMCMXCIX.
module Roman
  Invalid = Class.new(ArgumentError)

  LETTERS = {
    "M" => 1000, "CM" => 900, "D" => 500, "CD" => 400, "C" => 100, "XC" => 90,
    "L" => 50, "XL" => 40, "X" => 10, "IX" => 9, "V" => 5, "IV" => 4, "I" => 1
  }.freeze
  RANGE = (1..3999).freeze

  module_function

  def write(number)
    raise Invalid, "#{number} is not between 1 and 3999" unless RANGE.cover?(number)

    LETTERS.reduce(+"") do |text, (letter, value)|
      count, number = number.divmod(value)
      text << letter * count
    end
  end

  def read(text)
    rest = text.upcase
    number = LETTERS.sum do |letter, value|
      count = rest[/\A(?:#{letter})*/].length / letter.length
      rest = rest[(count * letter.length)..]
      count * value
    end
    raise Invalid, "#{text} is no Roman numeral" if !RANGE.cover?(number) || write(number) != text.upcase

    number
  end
end
