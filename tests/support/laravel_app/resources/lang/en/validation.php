<?php

return [
    'required' => 'Please fill in the :attribute.',
    'max' => ['string' => 'The :attribute may have :max characters.'],
];
