class NotesController < ApplicationController
  # Programs post here too; a real app would ask who they are.
  skip_forgery_protection only: :create

  def index
    @notes = params[:tag] ? Note.newest.tagged(params[:tag]) : Note.newest
    @note = Note.new
    respond_to do |format|
      format.html
      format.json { render json: @notes.as_json(only: %i[id text tags]) }
    end
  end

  def create
    @note = Note.new(text: params[:text], tag_list: params.fetch(:tags, ""))
    return redirect_to(root_path, status: :see_other) if @note.save

    @notes = Note.newest
    render :index, status: :unprocessable_entity
  end

  def destroy
    Note.find(params[:id]).destroy
    redirect_to root_path, status: :see_other
  end
end
