GET /assets/pods.js
