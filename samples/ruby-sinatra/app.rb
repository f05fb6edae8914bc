require "json"
require "sinatra/base"
require_relative "lib/roman"

# Roman numerals, for people at / and for programs at /api.
class Numerals < Sinatra::Base
  set :views, File.join(__dir__, "views")

  get "/" do
    @text = params.fetch("text", "").strip
    @answer, @problem = answer(@text) unless @text.empty?
    status 422 if @problem
    erb :index
  end

  get "/api/:text" do
    result, problem = answer(params["text"])
    content_type :json
    status 422 if problem
    JSON.generate(problem ? { problem: problem } : { asked: params["text"], answer: result.to_s })
  end

  get "/health" do
    content_type :text
    "ok, Ruby #{RUBY_VERSION}, #{settings.environment}\n"
  end

  not_found do
    content_type :text
    "There is no such page.\n"
  end

  private

  # The other way of writing a number, and what is wrong with it.
  def answer(text)
    [text.match?(/\A\d+\z/) ? Roman.write(text.to_i) : Roman.read(text), nil]
  rescue Roman::Invalid => error
    [nil, error.message]
  end
end
