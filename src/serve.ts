import { unwatchFile, watchFile } from 'node:fs'
import type { Server as TlsServer } from 'node:https'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { AcceptOptions } from './accept/options.ts'
import { secureContext } from './accept/server-options.ts'
import { readTls } from './accept/tls-files.ts'
import { buildAdmin, type Check } from './admin/app.ts'
import { AdminGuard } from './admin/guard.ts'
import { buildApp } from './app.ts'
import { AuditLogError } from './audit/sink.ts'
import { RevocationFileError } from './authenticate/revocation-keep.ts'
import { LedgerError } from './charge/open.ts'
import { logsCheck } from './checks.ts'
import { endAll, timer } from './closing.ts'
import { boundHeapGrowth, neverPretenure } from './collector.ts'
import { loadConfig } from './config/load.ts'
import { createReloader, type ReloadStatus } from './config/reload.ts'
import { reportFile } from './config/report.ts'
import { buildDeps, type World } from './deps.ts'
import { drain } from './drain.ts'
import { boundAdmin, listen, listenFault } from './listen.ts'
import { openLog } from './log.ts'
import { AccountsError } from './mint/account-book.ts'
import { KeyRingError } from './mint/key-ring.ts'
import { watchParent } from './parent.ts'
import { replaceSystemLookup } from './resolve/system-lookup.ts'
import type { Ms } from './time.ts'

/** What `serve` is given. */
export interface ServeOptions {
  readonly configFile: string
  readonly env: NodeJS.ProcessEnv
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WritableStream
  /** Share the ports with a gate that listens there already, until that one ends. */
  readonly takesOver?: boolean
  /** Told once, when both listeners are up. */
  readonly onReady?: (info: { readonly url: string; readonly adminUrl: string }) => void
}

/**
 * Runs the gate until it is told to stop: load, build, listen, wait for a signal, drain.
 *
 * A file with faults starts nothing. SIGHUP, and a change of the file, reload it; SIGHUP also reopens the audit log.
 * The first SIGTERM drains: not ready, but accepting for `server.drain.accept`; then no new connection, running requests end by themselves within
 * `server.drain.timeout`, streams that do not are ended with an error event. SIGINT does not wait for load balancers. The
 * second signal ends at once.
 *
 * @returns the exit code: 0 after a stop, 1 for a faulty file, an audit log, a ledger or a listener that cannot be opened
 */
export async function serve(options: ServeOptions): Promise<number> {
  const loaded = loadConfig(options.configFile, options.env)
  const report = reportFile(options.configFile, loaded)
  if (report !== '') options.stderr.write(report)
  if (!loaded.ok) return 1
  const { config } = loaded

  neverPretenure()
  boundHeapGrowth()
  const operatorLog = openLog()
  const { log } = operatorLog
  let isDraining = false
  let world: World
  try {
    world = buildDeps(config, { log })
  } catch (err) {
    if (!CANNOT_BEGIN.some(kind => err instanceof kind)) throw err
    options.stderr.write(`tollgate: ${(err as Error).message}\n`)
    return 1
  }
  const restoreLookup = replaceSystemLookup(world.resolver)
  const app = await buildApp(world.app)
  const reloader = createReloader({
    file: options.configFile,
    env: options.env,
    first: loaded,
    follow: world.follow,
    nowMs: Date.now,
    log
  })
  const logs = () => ({ operator: operatorLog.status(), audit: world.auditSink.status })
  const drainCheck = (): Check => ({ name: 'not draining', ok: !isDraining, detail: {} })
  const guard = new AdminGuard(config.admin, { nowMs: Date.now, log })
  const admin = await buildAdmin({
    log,
    guard,
    checks: () => [drainCheck(), reloadCheck(reloader.status), logsCheck(logs()), ...world.checks()],
    token: config.admin.token,
    bans: world.app.bans,
    reload: () => reloader.reload('asked for by the operator'),
    revocations: world.revocations,
    metrics: () =>
      world.metrics.scrape({ isDraining, reload: reloader.status, logs: logs(), adminRefused: guard.refused }),
    config: () => ({ ...reloader.status, config: reloader.running() }),
    compare: reloader.compare
  })

  const adminSockets = boundAdmin(admin)
  for (const { server } of [app, admin]) {
    // ENFILE, ENOBUFS and the like end no process.
    server.on('error', err => log.error({ err }, 'a connection could not be accepted'))
  }

  const stop = stopSignal(options.env)
  const onHangup = () => {
    world.auditSink.reopen()
    reloader.reload('SIGHUP')
  }
  process.on('SIGHUP', onHangup)
  world.metrics.watchProcess()
  const unwatch = watchTls(app, config.accept, log)
  try {
    world.start()
    // What was revoked on another gate is refused here from the first request on, unless the store is away.
    if (!(await world.knowsRevoked({ withinMs: REVOKED_MS }))) {
      log.warn(
        { waitedMs: REVOKED_MS, fix: 'store.url; revocation.keep for what this gate has known itself' },
        'the store does not answer: the gate opens without what other gates have revoked'
      )
    }
    const { takesOver = false } = options
    // The gate that runs knows its keys and models; this one must too before it gets a request.
    if (takesOver && !(await isReadyWithin(TAKE_OVER_MS, world, stop.first))) {
      if (stop.isStopped()) return 0
      options.stderr.write(
        'tollgate: not ready to take over within 30 s (keys or models are missing). The other gate stays.\n'
      )
      return 1
    }
    const adminUrl = await listen(admin, config.admin, takesOver)
    const url = await listen(app, config.accept, takesOver)
    reloader.watch()
    log.info({ url, adminUrl }, 'the gate is open')
    options.onReady?.({ url, adminUrl })

    const signal = await stop.first
    isDraining = true
    log.info({ signal, inFlight: world.app.transport.inFlight }, 'draining')
    const { drainAcceptMs, drainTimeoutMs } = reloader.config.accept
    await drain(app, {
      acceptMs: signal === 'SIGINT' ? 0 : drainAcceptMs,
      timeoutMs: drainTimeoutMs,
      now: stop.second,
      transport: world.app.transport,
      sockets: world.app.sockets
    })
    return 0
  } catch (err) {
    const message = listenFault(err)
    if (message === null) throw err
    options.stderr.write(`${message}\n`)
    return 1
  } finally {
    stop.forget()
    process.off('SIGHUP', onHangup)
    reloader.close()
    unwatch()
    world.app.sockets.destroyAll()
    adminSockets.close()
    await endAll({ listener: app }, { withinMs: LISTENER_MS, log })
    await endAll({ 'admin listener': admin }, { withinMs: LISTENER_MS, log })
    await world.close()
    restoreLookup()
    log.info('the gate is closed')
    await operatorLog.close()
  }
}

/** A file that cannot be used takes no gate out of service, but is not to be overlooked either. */
function reloadCheck({ loadedAtMs, last, hash, pendingRestart }: ReloadStatus): Check {
  const lastReload =
    last === null
      ? null
      : {
          ok: last.ok,
          at: new Date(last.atMs).toISOString(),
          ...(last.ok ? {} : { faults: last.faults.map(({ path, message }) => `${path}: ${message}`) })
        }
  const detail = {
    loadedAt: new Date(loadedAtMs).toISOString(),
    hash,
    lastReload,
    pendingRestart: pendingRestart.map(({ path }) => path)
  }
  return { name: 'configuration', ok: true, detail }
}

/** What the operator has to mend before a gate can begin. */
const CANNOT_BEGIN = [RevocationFileError, AuditLogError, LedgerError, AccountsError, KeyRingError]

const TAKE_OVER_MS: Ms = 30_000
const REVOKED_MS: Ms = 2_000
/** How long the end of a listener is waited for when its connections are gone. */
const LISTENER_MS: Ms = 500

async function isReadyWithin(ms: Ms, world: World, stopped: Promise<unknown>): Promise<boolean> {
  const late = timer(ms)
  const ready = world.ready().then(() => true)
  const isReady = await Promise.race([ready, Promise.race([late.done, stopped]).then(() => false)])
  late.cancel()
  return isReady
}

/** The first signal drains, the second does not wait. Under npm, the end of its shell is a signal too. */
function stopSignal(env: NodeJS.ProcessEnv): {
  first: Promise<string>
  second: Promise<void>
  isStopped: () => boolean
  forget: () => void
} {
  const first = Promise.withResolvers<string>()
  const second = Promise.withResolvers<void>()
  let count = 0
  const onSignal = (signal: string) => {
    if (++count === 1) first.resolve(signal)
    else second.resolve()
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  const unwatch = watchParent(env, () => onSignal('the parent process ended'))
  return {
    first: first.promise,
    second: second.promise,
    isStopped: () => count > 0,
    forget() {
      unwatch()
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
      ;(app.server as unknown as TlsServer).setSecureContext(secureContext(readTls(tls)))
      log.info({ cert: tls.certFile }, 'certificate re-read')
    } catch (err) {
      log.error({ err, cert: tls.certFile }, 'the new certificate cannot be used; the last good one stays')
    }
  }
  const files = [tls.certFile, tls.keyFile, ...(tls.clientCaFile === null ? [] : [tls.clientCaFile])]
  for (const file of files) watchFile(file, { interval: TLS_POLL_MS, persistent: false }, onChange)
  return () => {
    for (const file of files) unwatchFile(file, onChange)
  }
}
