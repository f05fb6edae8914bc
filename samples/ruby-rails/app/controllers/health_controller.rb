class HealthController < ApplicationController
  def show
    Note.connection.select_value("SELECT 1")
    render json: { status: "ok", rails: Rails.version, environment: Rails.env }
  end
end
