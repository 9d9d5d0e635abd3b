// Takes uploads through a temporary file, as upload middleware does, and answers with their SHA-256.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const os = require('os');
const path = require('path');
const { pipeline } = require('stream/promises');

async function digest(request) {
    const directory = await fs.promises.mkdtemp(path.join(os.tmpdir(), 'upload-'));
    const file = path.join(directory, 'body');
    try {
        await pipeline(request, fs.createWriteStream(file + '.part'));
        await fs.promises.rename(file + '.part', file);
        const hash = crypto.createHash('sha256');
        await pipeline(fs.createReadStream(file), hash);
        return hash.digest('hex');
    } finally {
        await fs.promises.rm(directory, { recursive: true });
    }
}

const server = http.createServer((request, response) => {
    const answer = (status, text) => {
        response.writeHead(status, { 'Content-Type': 'text/plain' });
        response.end(text + '\n');
    };
    if (request.method === 'POST' && request.url === '/upload') {
        digest(request).then((hex) => answer(200, hex), (error) => answer(500, error.message));
    } else if (request.method === 'GET' && request.url === '/') {
        answer(200, 'it works');
    } else {
        answer(404, 'not found');
    }
});
process.on('SIGTERM', () => server.close(() => process.exit(0)) && server.closeAllConnections());
server.listen(3000, () => console.log('listening on 3000'));
