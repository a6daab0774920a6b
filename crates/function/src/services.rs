//! The services of the process, found by type: how a domain's functions reach the domain's service.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::sync::Arc;

/// One value of each type, put in by the binary at start. Cheap to clone.
#[derive(Clone, Default)]
pub struct Services(Arc<HashMap<TypeId, Box<dyn Any + Send + Sync>>>);

impl Services {
    /// Begins an empty set.
    pub fn builder() -> ServicesBuilder {
        ServicesBuilder::default()
    }

    /// The service of this type.
    ///
    /// # Panics
    /// When the binary did not put it in: a mistake in the wiring that every call shows.
    pub fn get<T: Send + Sync + 'static>(&self) -> &T {
        let Some(service) = self.find() else {
            panic!("the binary wires no service of type {}", type_name::<T>());
        };
        service
    }

    /// The service of this type, where the binary may do without.
    pub fn find<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }
}

/// Collects services.
#[derive(Default)]
pub struct ServicesBuilder(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

impl ServicesBuilder {
    /// Puts in (or replaces) the service of this type.
    pub fn with<T: Send + Sync + 'static>(mut self, service: T) -> Self {
        self.0.insert(TypeId::of::<T>(), Box::new(service));
        self
    }

    /// The finished set.
    pub fn build(self) -> Services {
        Services(Arc::new(self.0))
    }
}
