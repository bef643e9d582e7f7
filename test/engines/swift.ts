import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../helpers/ports.ts'
import { documentedRoutes, ENGINE_KEY, type Engine, FASTAPI_ROUTES, type Tools, untilHealthy } from './engine.ts'
import { CACHE, makeVenv, OFFLINE, type Venv } from './python.ts'

/** The release of ms-swift that is tried. */
const VERSION = '4.6.0'
const MAKE_MODEL = fileURLToPath(new URL('make-tiny-model.py', import.meta.url))
const MODEL = 'tiny'

/** An engine that can be started; it stands upon the torch that vLLM has brought, which is most of its weight. */
export async function installSwift(tools: Tools, vllm: Venv): Promise<Venv> {
  return await makeVenv(tools, {
    name: `swift-${VERSION}`,
    gigabytes: 2,
    async fill(pip, { packages }) {
      writeFileSync(join(packages, 'zz-vllm.pth'), `${vllm.packages}\n`)
      await pip(`ms-swift==${VERSION}`)
    }
  })
}

/** Starts `swift deploy` with its own backend, on a free port of the loopback, with random weights. */
export async function startSwift({ children, dir, say }: Tools, venv: Venv): Promise<Engine> {
  const env = { ...OFFLINE, USE_HF: '1', MODELSCOPE_CACHE: join(CACHE, 'modelscope'), OMP_NUM_THREADS: '1' }
  const folder = join(dir, 'swift-tiny')
  await children.run(venv.python, [MAKE_MODEL, 'weights', folder], {
    logFile: join(dir, 'make-swift.log'),
    limitMs: 60_000,
    env
  })
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  say(`starting ms-swift on ${origin}`)
  const flags = `deploy --infer_backend transformers --model ${folder} --model_type llama --template chatml
    --served_model_name ${MODEL} --torch_dtype bfloat16 --host 127.0.0.1 --port ${port} --api_key ${ENGINE_KEY}
    --verbose false --log_interval 0`
  const child = children.start(join(venv.dir, 'bin/swift'), flags.split(/\s+/), {
    logFile: join(dir, 'swift.log'),
    env
  })
  await untilHealthy('ms-swift', origin, child, 2 * 60_000)
  say(`ms-swift ${VERSION} is healthy`)
  return {
    name: 'swift',
    version: VERSION,
    origin,
    model: MODEL,
    child,
    routes: async () => ({ documented: await documentedRoutes(origin), undocumented: FASTAPI_ROUTES })
  }
}
