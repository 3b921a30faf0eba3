GET /assets/terminal.js
