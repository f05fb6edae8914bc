class CreateNotes < ActiveRecord::Migration[6.1]
  def change
    create_table :notes do |t|
      t.string :text, null: false, limit: 500
      t.string :tags, array: true, null: false, default: []
      t.timestamps
    end
    add_index :notes, :tags, using: :gin
  end
end
