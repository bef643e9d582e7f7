import { createServer } from 'node:http'
import { Pool } from 'undici'

/**
 * The least that a gateway on this runtime can cost: node:http before undici's dispatcher, the body gathered, nothing
 * verified, decided, counted or written down. What Tollgate costs beyond it is its own.
 */
const [port, enginePort] = process.argv.slice(2)
const pool = new Pool(`http://127.0.0.1:${enginePort}`, {
  connections: null,
  pipelining: 1,
  headersTimeout: 0,
  bodyTimeout: 0
})

createServer((request, response) => {
  const pieces: Buffer[] = []
  request.on('data', piece => pieces.push(piece))
  request.once('end', () => {
    pool.dispatch(
      {
        method: 'POST',
        path: request.url ?? '/',
        headers: ['content-type', 'application/json'],
        body: Buffer.concat(pieces)
      },
      {
        onRequestStart() {},
        onResponseStart(_controller, status, headers) {
          response.statusCode = status
          for (const name of ['content-type', 'content-length']) {
            const value = headers[name]
            if (value !== undefined) response.setHeader(name, value)
          }
        },
        onResponseData(_controller, chunk) {
          response.write(chunk)
        },
        onResponseEnd() {
          response.end()
        },
        onResponseError() {
          response.destroy()
        }
      }
    )
  })
}).listen(Number(port), '127.0.0.1')
