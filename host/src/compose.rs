//! Four components into one.
//!
//! Imports are matched to exports by name, from the entry inwards, so nothing here knows what the components are: a
//! component that imports and exports the same interface is put between by listing it before the one that it wraps.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions, NodeId, PackageId};

/// The components in the order of the path of a request. The first is the entry.
pub const COMPONENTS: [&str; 4] = ["router", "oauth", "session", "connector"];

/// Imports that a composed component may have: the portability contract (see the repository's README).
const HOST_NAMESPACE: &str = "wasi:";

/// Why there is no composed component.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComposeError {
    /// A file is not there or not readable.
    #[error("component {0} cannot be read: `cargo xtask build` makes it, --components FOLDER says where it is")]
    Read(PathBuf, #[source] std::io::Error),
    /// A file is not a component.
    #[error("{0} is not a component: `cargo xtask build` makes it anew")]
    NotAComponent(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// An import has no export to meet it.
    #[error("component `{component}` imports {import}, which no later component exports and no host gives")]
    Unmet {
        /// The importer.
        component: String,
        /// The interface.
        import: String,
    },
    /// An import and an export of the same name do not fit.
    #[error(
        "component `{component}` does not fit its neighbour at {import}: build all components from one checkout with `cargo xtask build`"
    )]
    Mismatch {
        /// The importer.
        component: String,
        /// The interface.
        import: String,
        /// In detail.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The result cannot be written.
    #[error("the composed component cannot be encoded")]
    Encode(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A component by name.
#[derive(Debug, Clone)]
pub struct Part {
    /// For messages.
    pub name: String,
    /// The file.
    pub bytes: Vec<u8>,
}

/// Read the [`COMPONENTS`] from a folder: `router.wasm` and so on.
pub fn read_parts(folder: &Path) -> Result<Vec<Part>, ComposeError> {
    COMPONENTS
        .iter()
        .map(|name| {
            let path = folder.join(format!("{name}.wasm"));
            let bytes = std::fs::read(&path).map_err(|error| ComposeError::Read(path, error))?;
            Ok(Part { name: (*name).into(), bytes })
        })
        .collect()
}

/// Wire the parts together. Each import of a part is met by the nearest later part that exports it; what is left must be
/// the host's. The exports of the first part are the exports of the result.
pub fn compose(parts: &[Part]) -> Result<Vec<u8>, ComposeError> {
    let mut graph = CompositionGraph::new();
    let mut packages = Vec::new();
    for part in parts {
        let package_name = format!("mcp-edge-part:{}", part.name);
        let not_a_component = |error: Box<dyn std::error::Error + Send + Sync>| {
            ComposeError::NotAComponent(format!("{}.wasm", part.name), error)
        };
        let package = Package::from_bytes(&package_name, None, part.bytes.clone(), graph.types_mut())
            .map_err(|error| not_a_component(error.into()))?;
        packages.push(graph.register_package(package).map_err(|error| not_a_component(error.into()))?);
    }
    let mut composition = Composition { parts, packages, graph, instances: HashMap::new() };
    composition.connect()?;
    composition.encode()
}

struct Composition<'a> {
    parts: &'a [Part],
    packages: Vec<PackageId>,
    graph: CompositionGraph,
    instances: HashMap<usize, NodeId>,
}

impl Composition<'_> {
    fn connect(&mut self) -> Result<(), ComposeError> {
        // From the last to the first, so that everything that meets an import exists already.
        for index in (0..self.parts.len()).rev() {
            let instance = self.graph.instantiate(self.packages[index]);
            self.instances.insert(index, instance);
            for import in self.imports(index) {
                let provider = (index + 1..self.parts.len()).find(|later| self.exports(*later).contains_key(&import));
                match provider {
                    Some(provider) => self.plug(index, instance, provider, &import)?,
                    None if import.starts_with(HOST_NAMESPACE) => {}
                    None => {
                        return Err(ComposeError::Unmet { component: self.parts[index].name.clone(), import });
                    }
                }
            }
        }
        Ok(())
    }

    fn plug(&mut self, index: usize, instance: NodeId, provider: usize, import: &str) -> Result<(), ComposeError> {
        let mismatch = |source| ComposeError::Mismatch {
            component: self.parts[index].name.clone(),
            import: import.to_owned(),
            source,
        };
        let export = self.graph.alias_instance_export(self.instances[&provider], import);
        let export = export.map_err(|error| mismatch(error.into()))?;
        self.graph.set_instantiation_argument(instance, import, export).map_err(|error| mismatch(error.into()))
    }

    fn encode(mut self) -> Result<Vec<u8>, ComposeError> {
        let encode = |error: Box<dyn std::error::Error + Send + Sync>| ComposeError::Encode(error);
        for name in self.exports(0).into_keys() {
            let export =
                self.graph.alias_instance_export(self.instances[&0], &name).map_err(|error| encode(error.into()))?;
            self.graph.export(export, &name).map_err(|error| encode(error.into()))?;
        }
        self.graph.encode(EncodeOptions::default()).map_err(|error| encode(error.into()))
    }

    /// Names of the instances that a part imports.
    fn imports(&self, index: usize) -> Vec<String> {
        self.graph.types()[self.graph[self.packages[index]].ty()].imports.keys().cloned().collect()
    }

    fn exports(&self, index: usize) -> BTreeMap<String, ()> {
        self.graph.types()[self.graph[self.packages[index]].ty()]
            .exports
            .keys()
            .map(|name| (name.clone(), ()))
            .collect()
    }
}
