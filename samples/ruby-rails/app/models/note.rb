# A line that somebody wants to keep, with words to find it by.
class Note < ApplicationRecord
  validates :text, presence: true, length: { maximum: 500 }

  scope :newest, -> { order(id: :desc).limit(50) }
  scope :tagged, ->(tag) { where("? = ANY (tags)", tag) }

  def tag_list=(words)
    self.tags = words.downcase.split(/[\s,]+/).uniq
  end
end
