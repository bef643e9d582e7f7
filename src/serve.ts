import { unwatchFile, watchFile } from 'node:fs'
import type { Server as TlsServer } from 'node:https'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { AcceptOptions } from './accept/options.ts'
import { buildAdmin, type Check } from './admin/app.ts'
import { buildApp } from './app.ts'
import { AuditLogError } from './audit/sink.ts'
import { loadConfig } from './config/load.ts'
import { reportFile } from './config/report.ts'
import { buildDeps, openLog, readTls, type World } from './deps.ts'
import type { Transport } from './forward/transport.ts'
import type { Ms } from './time.ts'

/** What `serve` is given. */
export interface ServeOptions {
  readonly configFile: string
  readonly env: NodeJS.ProcessEnv
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WritableStream
  /** Told once, when both listeners are up. */
  readonly onReady?: (info: { readonly url: string; readonly adminUrl: string }) => void
}

/**
 * Runs the gate until it is told to stop: load, build, listen, wait for a signal, drain.
 *
 * A file with faults starts nothing. The first SIGTERM or SIGINT drains: no new connection, running requests end by
 * themselves within `server.drain.timeout`, streams that do not are ended with an error event. The second ends at once.
 *
 * @returns the exit code: 0 after a stop, 1 for a faulty file, an audit log or a listener that cannot be opened
 */
export async function serve(options: ServeOptions): Promise<number> {
  const loaded = loadConfig(options.configFile, options.env)
  const report = reportFile(options.configFile, loaded)
  if (report !== '') options.stderr.write(report)
  if (!loaded.ok) return 1
  const { config } = loaded

  const log = openLog()
  let isDraining = false
  let world: World
  try {
    world = buildDeps(config, { log })
  } catch (err) {
    if (!(err instanceof AuditLogError)) throw err
    options.stderr.write(`tollgate: ${err.message}\n`)
    return 1
  }
  const app = await buildApp(world.app)
  const drainCheck = (): Check => ({ name: 'not draining', ok: !isDraining, detail: {} })
  const admin = await buildAdmin({ log, checks: () => [drainCheck(), ...world.checks()] })

  const stop = stopSignal()
  const unwatch = watchTls(app, config.accept, log)
  try {
    world.start()
    const adminUrl = await listen(admin, config.admin)
    const url = await listen(app, config.accept)
    log.info({ url, adminUrl }, 'the gate is open')
    options.onReady?.({ url, adminUrl })

    const signal = await stop.first
    isDraining = true
    log.info({ signal, inFlight: world.app.transport.inFlight }, 'draining')
    await drain(app, config.accept.drainTimeoutMs, stop.second, world.app.transport)
    return 0
  } catch (err) {
    const message = listenFault(err)
    if (message === null) throw err
    options.stderr.write(`${message}\n`)
    return 1
  } finally {
    stop.forget()
    unwatch()
    await app.close()
    await admin.close()
    await world.close()
    log.info('the gate is closed')
  }
}

async function listen(app: FastifyInstance, at: { readonly host: string; readonly port: number }): Promise<string> {
  return await app.listen({ host: at.host, port: at.port })
}

function listenFault(err: unknown): string | null {
  if (typeof err !== 'object' || err === null || !('syscall' in err) || err.syscall !== 'listen') return null
  const { code, address, port } = err as NodeJS.ErrnoException & { address?: string; port?: number }
  const where = `${address}:${port}`
  if (code === 'EADDRINUSE') return `tollgate: ${where} is in use by another program. Stop it, or change 'listen'.`
  if (code === 'EACCES') return `tollgate: ${where} may not be opened by this user. Choose a port above 1023.`
  return `tollgate: cannot listen on ${where}: ${code}`
}

const SWEEP_MS = 100
const CUT_GRACE_MS = 1_000
const SETTLE_MS = 10

/** Stops listening, waits for what is running, then cuts what is left. */
async function drain(
  app: FastifyInstance,
  timeoutMs: Ms,
  now: Promise<unknown>,
  transport: Pick<Transport, 'close' | 'inFlight'>
): Promise<void> {
  const closed = new Promise<void>(resolve => app.server.close(() => resolve()))
  // Fastify waits for idle keep-alive connections; a caller that holds one would keep us for over a minute.
  const sweep = setInterval(() => app.server.closeIdleConnections(), SWEEP_MS)
  app.server.closeIdleConnections()
  const late = timer(timeoutMs)
  await Promise.race([closed, late.done, now])
  transport.close({ cut: true })
  const grace = timer(CUT_GRACE_MS)
  await Promise.race([closed, grace.done])
  late.cancel()
  grace.cancel()
  clearInterval(sweep)
  app.server.closeAllConnections()
  await closed
  // A socket that has become a WebSocket tells of its end a moment later than the server does, and its line comes then.
  for (let ms = 0; transport.inFlight > 0 && ms < CUT_GRACE_MS; ms += SETTLE_MS) await timer(SETTLE_MS).done
}

function timer(ms: number): { done: Promise<void>; cancel: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  const handle = setTimeout(resolve, ms)
  return { done: promise, cancel: () => clearTimeout(handle) }
}

/** The first signal drains, the second does not wait. */
function stopSignal(): { first: Promise<string>; second: Promise<void>; forget: () => void } {
  const first = Promise.withResolvers<string>()
  const second = Promise.withResolvers<void>()
  let count = 0
  const onSignal = (signal: string) => {
    if (++count === 1) first.resolve(signal)
    else second.resolve()
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  return {
    first: first.promise,
    second: second.promise,
    forget() {
      process.off('SIGTERM', onSignal)
      process.off('SIGINT', onSignal)
    }
  }
}

const TLS_POLL_MS = 2_000

/** Shows a renewed certificate to new connections as soon as its files change. A bad pair leaves the last good one. */
function watchTls(app: FastifyInstance, { tls }: AcceptOptions, log: Logger): () => void {
  if (tls === null) return () => {}
  // By polling: a mounted secret changes by a symlink swap, which a watch on the file does not see twice.
  const onChange = () => {
    try {
      ;(app.server as unknown as TlsServer).setSecureContext(readTls(tls))
      log.info({ cert: tls.certFile }, 'certificate re-read')
    } catch (err) {
      log.error({ err, cert: tls.certFile }, 'the new certificate cannot be used; the last good one stays')
    }
  }
  for (const file of [tls.certFile, tls.keyFile])
    watchFile(file, { interval: TLS_POLL_MS, persistent: false }, onChange)
  return () => {
    for (const file of [tls.certFile, tls.keyFile]) unwatchFile(file, onChange)
  }
}
