GET /assets/sync.js
