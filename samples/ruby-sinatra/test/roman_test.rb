require "minitest/autorun"
require_relative "../lib/roman"

class RomanTest < Minitest::Test
  def test_every_numeral_is_read_as_it_was_written
    Roman::RANGE.each { |number| assert_equal number, Roman.read(Roman.write(number)) }
  end

  def test_what_nobody_writes_is_refused
    ["IIII", "VX", "", "hello", "MMMM"].each { |text| assert_raises(Roman::Invalid) { Roman.read(text) } }
  end
end
