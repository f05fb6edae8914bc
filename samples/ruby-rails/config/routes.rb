Rails.application.routes.draw do
  root "notes#index"
  resources :notes, only: %i[index create destroy]
  get "health", to: "health#show"
end
