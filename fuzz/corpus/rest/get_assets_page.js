GET /assets/page.js
