import { createServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { type WebSocket, WebSocketServer } from 'ws'

/** An engine with `/v1/realtime`, as vLLM and SGLang have it (engines.md sections 1.1 and 1.2). */
export interface RealtimeEngine {
  readonly origin: string
  /** Requests for a WebSocket, as they came. */
  readonly handshakes: readonly IncomingMessage[]
  /** Events in the order in which they came, over all sessions. */
  readonly heard: readonly Record<string, unknown>[]
  /** Open sessions. */
  readonly sessions: ReadonlySet<WebSocket>
  /** Resolves as soon as a condition holds; looked at on every event of any session. */
  when(condition: () => boolean): Promise<void>
  /** What the handshake gets instead: a status, silence, or nothing at all. */
  refuse(how: { status: number; body?: string } | 'hang' | 'reset' | null): void
}

/** Starts one on a free port; it ends with the test. */
export async function startRealtimeEngine(
  t: Test,
  options: { flavour?: 'vllm' | 'sglang'; model?: string; tls?: { cert: string; key: string } } = {}
): Promise<RealtimeEngine> {
  const { flavour = 'vllm', model = 'm', tls } = options
  const handshakes: IncomingMessage[] = []
  const heard: Record<string, unknown>[] = []
  const sessions = new Set<WebSocket>()
  const waiting = new Set<() => void>()
  let refusal: Parameters<RealtimeEngine['refuse']>[0] = null
  const wake = () => {
    for (const look of waiting) look()
  }

  const server: Server = tls === undefined ? createServer() : createTlsServer(tls)
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 16 * 1024 * 1024 })
  server.on('request', (_request, response) => {
    const body = JSON.stringify({ object: 'list', data: [{ id: model }] })
    response.writeHead(200, { 'content-type': 'application/json' }).end(body)
  })
  server.on('upgrade', (request, socket, head) => {
    handshakes.push(request)
    wake()
    socket.on('error', () => {})
    socket.once('end', () => socket.destroy())
    if (refusal === 'hang') {
      socket.resume()
      return
    }
    if (refusal === 'reset') socket.destroy()
    else if (refusal !== null) {
      const { status, body = '' } = refusal
      socket.end(`HTTP/1.1 ${status} No\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`)
    } else sockets.handleUpgrade(request, socket, head, session => begin(session))
  })

  function begin(session: WebSocket): void {
    sessions.add(session)
    const say = (event: object) => session.send(JSON.stringify(event))
    say({ type: 'session.created', id: 'sess-1' })
    session.on('message', data => {
      const event = JSON.parse(String(data)) as Record<string, unknown>
      heard.push(event)
      answer(event, say, session)
      wake()
    })
    session.on('error', () => {})
    session.on('close', () => {
      sessions.delete(session)
      wake()
    })
    wake()
  }

  function answer(event: Record<string, unknown>, say: (event: object) => void, session: WebSocket): void {
    switch (event.type) {
      case 'session.update':
        if (flavour === 'sglang') say({ type: 'session.updated', session: event.session })
        else if (event.model !== model)
          say({ type: 'error', error: 'The model does not exist.', code: 'model_not_found' })
        return
      case 'input_audio_buffer.commit':
        if (flavour === 'sglang') {
          say({ type: 'conversation.item.input_audio_transcription.completed', transcript: 'hi' })
          return
        }
        say({ type: 'transcription.delta', delta: 'hi' })
        say({ type: 'transcription.done', text: 'hi', usage: { prompt_tokens: 3, completion_tokens: 1 } })
        if (event.final === true) session.close(1000)
    }
  }

  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(async () => {
    for (const session of sessions) session.terminate()
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  })
  return {
    origin: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    handshakes,
    heard,
    sessions,
    refuse: how => {
      refusal = how
    },
    when: async condition => {
      while (!condition()) {
        await new Promise<void>(resolve => {
          const look = () => {
            waiting.delete(look)
            resolve()
          }
          waiting.add(look)
        })
      }
    }
  }
}
